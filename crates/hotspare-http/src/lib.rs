//! The reqwest transport: one request in, one response out.
