// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <variant>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/arrays/array_file.hpp"

namespace qloom::test {
namespace fs = std::filesystem;
namespace {

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void redirect(const fs::path& file, int descriptor) {
  const int opened = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) _exit(127);
  close(opened);
}

}  // namespace

void Program::SetUp() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  folder_ = fs::temp_directory_path() / (std::string("qloom_cli_") + info->test_suite_name() + "." +
                                         info->name() + "." + std::to_string(getpid()));
  fs::remove_all(folder_);
  fs::create_directories(folder_);
}

Outcome Program::qloom(const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& environment) const {
  const fs::path out = folder_.string() + ".out", err = folder_.string() + ".err";
  const std::string program = std::string(QLOOM_BINARY_DIR) + "/qloom";
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    if (chdir(folder_.c_str()) != 0) _exit(127);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  int state = 0;
  Outcome outcome;
  if (child > 0 && waitpid(child, &state, 0) == child) {
    outcome.status = WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
  }
  outcome.out = text_of(out);
  outcome.err = text_of(err);
  fs::remove(out);
  fs::remove(err);
  return outcome;
}

void Program::apply(const std::string& rule, const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"apply", rule, "--input", "x.npy", "--output", "y.npy"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome o = qloom(arguments);
  if (o.status != 0) throw std::runtime_error("qloom apply " + rule + ": " + o.err);
  EXPECT_EQ(o.out + o.err, "");
}

fs::path Program::write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name, std::ios::binary) << text;
  return folder_ / name;
}

void Program::write_array(const std::string& name, const Shape& shape,
                          const std::vector<float>& values) const {
  Tensor x(shape);
  ASSERT_EQ(x.size(), values.size());
  std::copy(values.begin(), values.end(), x.data());
  data::write_npy(folder_ / name, x);
}

void Program::write_array(const std::string& name, const std::vector<float>& values) const {
  write_array(name, {static_cast<std::int64_t>(values.size())}, values);
}

std::vector<float> Program::array(const std::string& name) const {
  const Tensor x = data::read_npy(folder_ / name);
  return {x.begin(), x.end()};
}

Shape Program::shape_of(const std::string& name) const {
  return data::read_npy_any(folder_ / name).shape;
}

std::vector<std::int32_t> Program::codes(const std::string& name) const {
  return std::get<std::vector<std::int32_t>>(data::read_npy_any(folder_ / name).values);
}

Json Program::json(const std::string& name) const { return Json::parse(text_of(folder_ / name)); }

std::vector<std::string> Program::files() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace qloom::test
