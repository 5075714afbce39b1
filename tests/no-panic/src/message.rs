//! Messages.

use crate::any::{Anything, any, see};
use tofu_core::{Message, MessageError, Platform};

pub(crate) fn reach<P: Platform>() -> Option<()> {
    head::<P>()?;
    text::<P>()?;
    body::<P>()?;
    see(MessageError::status(any()?));
    Some(())
}

fn head<P: Platform>() -> Option<()> {
    see(Message::<P>::header(any()?));
    see(Message::<P>::opcode(any()?));
    Message::<P>::set_opcode(any()?, any()?);
    see(Message::<P>::channel(any()?));
    Message::<P>::set_channel(any()?, any()?);
    see(Message::<P>::id(any()?));
    Message::<P>::set_id(any()?, any()?);
    see(Message::<P>::more(any()?));
    Message::<P>::set_more(any()?, any()?);
    see(Message::<P>::prepare(any()?, any()?, any()?));
    Message::<P>::reset(any()?);
    see(Message::<P>::reply(any()?));
    Message::<P>::clear(any()?);
    Some(())
}

fn text<P: Platform>() -> Option<()> {
    see(Message::<P>::text(any()?));
    see(Message::<P>::add_header(any()?, any()?, any::<&[u8]>()?));
    see(Message::<P>::add_header_display(any()?, any()?, Anything));
    see(Message::<P>::set_header_display(any()?, any()?, Anything));
    Message::<P>::remove_headers(any()?, any()?);
    see(Message::<P>::connect_to(any()?, Anything));
    see(Message::<P>::listen_on(any()?, Anything));
    Some(())
}

fn body<P: Platform>() -> Option<()> {
    see(Message::<P>::body(any()?));
    see(Message::<P>::body_mut(any()?));
    see(Message::<P>::set_body(any()?, any::<&[u8]>()?));
    see(Message::<P>::append_body(any()?, any::<&[u8]>()?));
    see(Message::<P>::resize_body(any()?, any()?));
    Some(())
}
