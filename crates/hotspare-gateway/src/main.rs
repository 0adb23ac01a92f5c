//! The `hotspare` program.

fn main() {}
