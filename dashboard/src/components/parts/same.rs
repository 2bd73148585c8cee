//! A pointer that is equal only to itself.

use std::ops::Deref;
use std::rc::Rc;

/// Something shared, as a prop. `Rc` itself compares what it points to, which for thousands of rows
/// costs more than drawing them; rows that changed are behind another pointer anyway.
#[derive(Debug)]
pub struct Same<T: ?Sized>(pub Rc<T>);

impl<T: ?Sized> Same<T> {
    /// Shares what an `Rc` shares.
    pub fn of(shared: &Rc<T>) -> Self {
        Same(shared.clone())
    }
}

impl<T: ?Sized> Clone for Same<T> {
    fn clone(&self) -> Self {
        Same(self.0.clone())
    }
}

impl<T: ?Sized> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: ?Sized> Deref for Same<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
