//! What the tests share: servers, clients, fixtures.
