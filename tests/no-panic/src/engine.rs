//! The engine, over a transport that may answer anything.

use crate::any::{any, see};
use crate::wire::Wire;
use tofu_core::{Engine, Platform, PostError, Received};

pub(crate) fn reach<P: Platform>() -> Option<()> {
    see(Engine::<P>::new(any()?, any()?));
    see(Engine::<P>::pool(any()?));
    see(Engine::<P>::get(any()?));
    see(Engine::<P>::limits(any()?));
    see(Engine::<P>::channels(any()?));
    see(Engine::<P>::stats(any()?));
    see(Engine::<P>::has_work(any()?));
    see(Engine::<P>::open_group(any()?, any()?));
    see(Engine::<P>::close_group(any()?, any()?));
    see(Engine::<P>::set_waker(any()?, any()?, any()?));
    see(Engine::<P>::has_received(any()?, any()?));
    see(Engine::<P>::post(any()?, any()?, any()?));
    see(PostError::<P>::new(any()?, any()?));
    see(Engine::<P>::receive(any()?, any()?));
    see(Engine::<P>::update_receiver(any()?, any()?, any()?));
    see(Engine::<P>::turn(any()?, any()?, &mut Wire, any()?));
    see(Engine::<P>::flush(any()?, any()?, &mut Wire, any()?));
    Engine::<P>::shutdown(any()?);
    see(Engine::<P>::is_stopping(any()?));
    see(Received::<P>::channel(any()?));
    // With all it holds.
    drop(any::<Engine<P>>()?);
    Some(())
}
