"""Dictionaries, and reading a node's data by them: whatever the source, the same float64 columns."""

from hansa.harmonise.columns import Chunk, read_chunks
from hansa.harmonise.dictionary_file import dictionary_to_yaml, read_dictionary
from hansa.harmonise.infer import infer_dictionary
from hansa.harmonise.persons import encode_persons
from hansa.harmonise.quality import QualityReport, VariableQuality, check_source
from hansa.harmonise.source import DataLike, Source, open_source

__all__ = [
    "Chunk",
    "DataLike",
    "QualityReport",
    "Source",
    "VariableQuality",
    "check_source",
    "dictionary_to_yaml",
    "encode_persons",
    "infer_dictionary",
    "open_source",
    "read_chunks",
    "read_dictionary",
]
