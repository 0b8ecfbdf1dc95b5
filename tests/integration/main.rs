//! The one integration binary: the tidy checks and the product end to end.
mod tidy;
