//! The scenarios, by section of the protocol.

pub mod backpressure;
pub mod bounds;
pub mod channels;
pub mod close;
pub mod frame;
pub mod limits;
pub mod operations;
pub mod patterns;
pub mod post_refusals;
pub mod receive;
pub mod timeouts;
pub mod violations;
