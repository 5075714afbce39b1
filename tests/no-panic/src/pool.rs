//! The pool.

use crate::any::{any, see};
use tofu_core::{Platform, Pool};

pub(crate) fn reach<P: Platform>() -> Option<()> {
    see(Pool::<P>::new());
    Pool::<P>::add_class(any()?, any()?, any()?);
    see(Pool::<P>::donate(any()?, any()?));
    see(Pool::<P>::get(any()?));
    see(Pool::<P>::get_sized(any()?, any()?));
    see(Pool::<P>::get_always(any()?));
    Pool::<P>::set_waker(any()?, any()?);
    see(Pool::<P>::free(any()?));
    see(Pool::<P>::capacity(any()?));
    see(Pool::<P>::largest(any()?));
    Some(())
}
