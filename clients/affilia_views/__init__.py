"""What the command line and the console show: sentences, timelines and drawings. No I/O, no terminal."""
