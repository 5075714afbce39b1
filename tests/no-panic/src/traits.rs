//! What the types of `tofu-core` implement of the traits of `core`.

use crate::any::{any, see};
use core::fmt::{Debug, Display};
use core::hash::{Hash, Hasher};
use tofu_core::*;

/// Calls each trait of each type. Markers, like `Copy`, have nothing to call.
macro_rules! implemented {
    ($($type:ty: $($trait:ident)*;)*) => { $($(see(call!($trait $type));)*)* };
}

macro_rules! call {
    (Clone $type:ty) => {
        <$type as Clone>::clone(any()?)
    };
    (Debug $type:ty) => {
        <$type as Debug>::fmt(any()?, any()?)
    };
    (Default $type:ty) => {
        <$type as Default>::default()
    };
    (Display $type:ty) => {
        <$type as Display>::fmt(any()?, any()?)
    };
    (Drop $type:ty) => {
        drop(any::<$type>()?)
    };
    (Error $type:ty) => {
        <$type as core::error::Error>::source(any()?)
    };
    (Hash $type:ty) => {
        <$type as Hash>::hash(any()?, &mut Anyhow)
    };
    (Ord $type:ty) => {
        <$type as Ord>::cmp(any()?, any()?)
    };
    (PartialEq $type:ty) => {
        <$type as PartialEq>::eq(any()?, any()?)
    };
    (PartialOrd $type:ty) => {
        <$type as PartialOrd>::partial_cmp(any()?, any()?)
    };
}

/// Hashes nothing, but takes it.
struct Anyhow;

impl Hasher for Anyhow {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        see(bytes);
    }
}

pub(crate) fn reach() -> Option<()> {
    implemented! {
        Address: Clone Display Hash PartialEq;
        AddressError: Clone Debug Display Error Hash PartialEq;
        ChannelNumber: Clone Debug Default Display Hash Ord PartialEq PartialOrd;
        Bounds: Clone Debug Display Hash PartialEq;
        Close: Clone Debug Hash PartialEq;
        Fixed<u8, 8>: Default;
        GroupId: Clone Debug Hash PartialEq;
        Header: Clone Debug Default Hash PartialEq;
        Instant: Clone Debug Default Hash Ord PartialEq PartialOrd;
        Iter: Clone Debug;
        Kind: Clone Debug Hash PartialEq;
        Limits: Clone Debug Default Display Hash PartialEq;
        Link: Clone Debug Hash Ord PartialEq PartialOrd;
        LocalLock<u8>: Debug Default;
        MessageError: Clone Debug Display Error Hash PartialEq;
        Notice: Clone Debug Hash PartialEq;
        NumberEntry: Clone Debug Default;
        Opcode: Clone Debug Default Display Hash PartialEq;
        Options: Clone Default PartialEq;
        Origin: Clone Debug Default Hash PartialEq;
        Ready: Clone Debug Hash PartialEq;
        Role: Clone Debug Hash PartialEq;
        Stats: Clone Debug Default PartialEq;
        Status: Clone Debug Default Display Error Hash Ord PartialEq PartialOrd;
        TextError: Clone Debug Display Error Hash PartialEq;
        TextHeader: Clone Debug PartialEq;
        TextHeaders: Clone Debug Default PartialEq;
        Turn: Clone Debug PartialEq;
    }
    see(<Iter as Iterator>::next(any()?));
    see(<TextHeaders as IntoIterator>::into_iter(any()?));
    see(<Status as From<u8>>::from(any()?));
    see(<Status as From<MessageError>>::from(any()?));
    see(<MessageError as From<TextError>>::from(any()?));
    Some(())
}

pub(crate) fn reach_with<P: Platform>() -> Option<()> {
    implemented! {
        Channel<P>: Default;
        Group<P>: Default;
        Message<P>: Debug Drop;
        Node<P>: Default;
        Pool<P>: Default;
        PostError<P>: Debug Display Error;
        Received<P>: Debug;
    }
    Some(())
}
