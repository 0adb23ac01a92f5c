//! The failover gateway as a library: what the `hotspare` program is made of.
