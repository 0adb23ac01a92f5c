//! What models can do, how much they hold and what they cost: vendored data.
