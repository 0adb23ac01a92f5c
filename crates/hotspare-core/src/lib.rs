//! Vocabulary of Hotspare: requests, events, errors and their policy.
