# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
"""The benchmark's rows, figures, JSON and tables, on a small recorded input. Standard library
only."""
import json
import pathlib
import tempfile
import unittest

from suite import measure, output, whole

ABOUT = {"processor": "a processor", "threads": 2, "isa": "avx2", "torch": "2.13.0",
         "onnxruntime": "1.32.0", "mode": "full"}
GROUP = measure.Group(
    "fake quantize", "16 M floats",
    {"ours": measure.Job("qloom", "affine", {}),
     "peer": measure.Job("peers", "torch_fake_quantize", {}, "PyTorch fake_quantize"),
     "memcpy": measure.Job("qloom", "memcpy", {}, "memcpy")},
    [measure.Comparison("affine", "ours", "peer", "memcpy", (("limit", 0.9), ("peer", 10))),
     measure.Comparison("affine, at most twice the cost", "ours", "peer", "", (("cost", 0.05),)),
     measure.Comparison("affine, no such peer", "ours", "library", "memcpy", (("peer", 30),))])
# The machine is half as fast in the second round: each round's ratio stays what it is.
RECORDED = {"ours": (16e6, [0.004, 0.008, 0.004]), "peer": (16e6, [0.048, 0.096, 0.048]),
            "memcpy": (8e6, [0.0019, 0.0038, 0.0019])}


class Rows(unittest.TestCase):
    def setUp(self):
        self.rows = measure.rows_of(GROUP, RECORDED)

    def test_a_row_has_medians_and_the_medians_of_the_rounds_own_ratios(self):
        row = self.rows[0]
        self.assertEqual(row["samples"], 3)
        self.assertEqual(row["seconds"], 0.004)
        self.assertEqual(row["rate"], 4e9)
        self.assertAlmostEqual(row["ratio_to_peer"], 12)

    def test_a_limit_of_other_size_is_compared_by_its_rate(self):
        self.assertAlmostEqual(self.rows[0]["ratio_to_limit"], 0.95)
        self.assertAlmostEqual(self.rows[0]["limit_seconds"], 0.0038)

    def test_a_row_is_reached_when_all_of_its_figures_are(self):
        self.assertIs(self.rows[0]["reached"], True)
        self.assertIs(self.rows[1]["reached"], False)  # 1 / 12 of the peer's cost, not 1 / 20

    def test_a_row_whose_peer_is_missing_is_left_out(self):
        self.assertEqual([row["what"] for row in self.rows],
                         ["affine", "affine, at most twice the cost"])

    def test_each_kind_of_figure_is_judged_by_its_own_number(self):
        row = measure.new_row("plugins", "list", "all", 1)
        row.update(seconds=0.04, rate=3e9)
        self.assertTrue(measure.figure_reached("seconds", 0.05, row))
        self.assertFalse(measure.figure_reached("seconds", 0.005, row))
        self.assertTrue(measure.figure_reached("rate", 3e9, row))
        self.assertIsNone(measure.figure_reached("peer", 10, row))

    def test_instruction_sets_stand_beside_the_scalar_definition(self):
        medians = {("affine", "scalar"): {"real_time": 8e6, "items_per_second": 1e9},
                   ("affine", "avx2"): {"real_time": 1e6, "items_per_second": 8e9}}
        (row,) = whole.instruction_set_rows(medians)
        self.assertEqual((row["what"], row["ratio_to_peer"]), ("affine, avx2", 8))


class Files(unittest.TestCase):
    def setUp(self):
        self.rows = measure.rows_of(GROUP, RECORDED)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_json_file_gives_the_rows_back(self):
        output.write_json(self.folder / "bench.json", ABOUT, self.rows)
        read = json.loads((self.folder / "bench.json").read_text())
        self.assertEqual(read, {"format": 1, "about": ABOUT, "rows": self.rows})
        self.assertEqual([file.name for file in self.folder.iterdir()], ["bench.json"])

    def test_the_page_changes_between_its_marks_only(self):
        page = self.folder / "performance.md"
        page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
        output.update_page(page, ABOUT, self.rows)
        text = page.read_text()
        self.assertTrue(text.startswith("before\n<!-- figures -->\n"))
        self.assertTrue(text.endswith("<!-- end of figures -->\nafter\n"))
        self.assertNotIn("old", text)
        self.assertIn("| affine | 16 M floats | 4 ms | 4.00 | PyTorch fake_quantize | 12.00 | memcpy "
                      "| 0.95 | 0.9 of limit; 10 x peer | yes |", text)

    def test_ratios_of_another_system_stand_in_further_columns(self):
        page = self.folder / "performance.md"
        page.write_text("<!-- figures -->\n<!-- end of figures -->\n")
        other = [dict(row, ratio_to_peer=5, ratio_to_limit=0.5) for row in self.rows[:1]]
        output.write_json(self.folder / "bench.Debian_13.json", ABOUT, other)
        output.update_page(page, ABOUT, self.rows)
        text = page.read_text()
        self.assertIn("| reached | x peer, Debian 13 | of limit, Debian 13 |", text)
        self.assertIn("| 0.95 | 0.9 of limit; 10 x peer | yes | 5.00 | 0.50 |", text)
        self.assertIn("| no | - | - |", text)
        self.assertIn("Ratios on Debian 13 are of a run of its own", text)

    def test_growth_is_in_the_file_and_not_in_the_tables(self):
        row = measure.new_row("growth: tensor size", "memcpy", "4096", 1)
        self.assertNotIn("memcpy", output.markdown([row]))


if __name__ == "__main__":
    unittest.main()
