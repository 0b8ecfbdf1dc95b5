//! TABLE OF CONTENTS

pub mod sample;
pub mod text;
