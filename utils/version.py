"""The version written into every file the programs make."""

VERSION = "0.1.0"
