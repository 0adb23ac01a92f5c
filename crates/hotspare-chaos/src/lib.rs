//! Faults as data: plans, a scripted provider, a faulty transport, a faulty loopback server.
