//! All that `crd` and `reconcile` may name from outside: of the standard library and of their dependencies. Read by the purity
//! check, never compiled. `self` is a module that may be imported under its own name. What is here answers the same for the
//! same arguments, at any time and in any process; a module in which not everything does is spelt out.
use std::{
    borrow::Cow,
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug, Display, Formatter, Result, Write},
    iter::{once, repeat_n},
    mem::take,
    ops::{Range, RangeInclusive},
    slice::from_ref,
    str::FromStr,
    vec::IntoIter,
};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use blake3::{derive_key, hash, keyed_hash};
use granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, options,
};
use jsonschema::{
    Draft, JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    options,
};
// Its clock and its time zones are jiff's, which is not here.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    CustomResource, CustomResourceExt,
    core::{
        Rule,
        cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema},
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{
    Error, Map, Number, Value, from_value, json, to_string, to_string_pretty, to_value,
};
use serde_json_canonicalizer::{to_string, to_vec};
use serde_path_to_error::{Path, Segment, deserialize};
use serde_saphyr::{
    Error, Options, budget,
    budget::BudgetBreach,
    from_str_with_options, options,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
};
use serde_yaml::{Error, to_string};
use strsim::damerau_levenshtein;
use thiserror::Error;
