"""MakeHuman's heads on the shipped topology: a second origin of shapes, with ages from one to ninety years."""
