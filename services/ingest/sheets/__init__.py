"""Spreadsheets ⟶ read by a named mapping into the reports that JSON would carry."""
