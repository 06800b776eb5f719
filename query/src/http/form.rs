//! The form that an answer is wanted in: `?format=` decides, else `Accept`, else JSON.

use http::{header, request::Parts};
use url::form_urlencoded;

use crate::{Answer, Error};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
    ArrowIpc,
    Parquet,
}

impl Form {
    const ALL: [Form; 4] = [Form::Json, Form::Csv, Form::ArrowIpc, Form::Parquet];

    pub(crate) fn wanted(parts: &Parts) -> Result<Form, Error> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((_, name)) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "format") {
            let form = Form::ALL.into_iter().find(|form| form.name() == name);
            return form.ok_or_else(|| Error::Malformed("format is one of json, csv, arrow, parquet".to_owned()));
        }
        let accepted = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|part| part.split(';').next());
        Ok(types.find_map(|name| Form::of(name.trim())).unwrap_or(Form::Json))
    }

    fn of(media_type: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.media_type() == media_type)
    }

    fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Csv => "csv",
            Form::ArrowIpc => "arrow",
            Form::Parquet => "parquet",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Csv => "text/csv",
            Form::ArrowIpc => "application/vnd.apache.arrow.stream",
            Form::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub(crate) fn write(self, answer: &Answer) -> Result<Vec<u8>, Error> {
        match self {
            Form::Json => answer.to_json().map_err(|error| Error::Internal(error.to_string())),
            Form::Csv => answer.to_csv().map_err(|error| Error::Internal(error.to_string())),
            Form::ArrowIpc => answer.to_arrow_ipc().map_err(|error| Error::Internal(error.to_string())),
            Form::Parquet => answer.to_parquet().map_err(|error| Error::Internal(error.to_string())),
        }
    }
}
