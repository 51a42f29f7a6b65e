"""What comes out: tables, plots, records, and the benchmark page."""
