//! Routing strategies: which target first, and why.
