//! Where bytes go on a host.
