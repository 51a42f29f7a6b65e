"""The photos and scans that protocols measure on, one file each."""
