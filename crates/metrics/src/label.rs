//! Labels whose values are the words of an enum. The words are a contract: docs/reference/metrics.md lists them, with the
//! doc comments of the variants as their meanings.

/// Declares an enum with the label value of each variant: `ALL` in the order of declaration, and `as_str`.
macro_rules! label_values {
    ($(#[$docs:meta])+ pub enum $name:ident { $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$docs])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl $name {
            /// Every value; the position of a value here is its discriminant.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What the label value means.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim(),)+
                }
            }
        }
    };
}
pub(crate) use label_values;
