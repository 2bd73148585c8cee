//! What the server is and can do, in the forms that Flight SQL and JDBC ask for.

use crate::flight::status;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    Nullable, Searchable, SqlInfo, SqlNullOrdering, SqlSupportedCaseSensitivity,
    SqlSupportedGroupBy, SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions,
    XdbcDataType,
};
use datafusion::arrow::error::ArrowError;
use partita_shared::VERSION;
use std::sync::OnceLock;
use tonic::Status;

/// What the server says about itself.
///
/// # Errors
/// If the rows cannot be made.
pub(crate) fn server() -> Result<&'static SqlInfoData, Status> {
    static MADE: OnceLock<Result<SqlInfoData, String>> = OnceLock::new();
    known(MADE.get_or_init(|| properties().build().map_err(|error| error.to_string())))
}

/// The types of columns.
///
/// # Errors
/// If the rows cannot be made.
pub(crate) fn types() -> Result<&'static XdbcTypeInfoData, Status> {
    static MADE: OnceLock<Result<XdbcTypeInfoData, String>> = OnceLock::new();
    known(MADE.get_or_init(|| column_types().build().map_err(|error| error.to_string())))
}

fn known<T>(made: &'static Result<T, String>) -> Result<&'static T, Status> {
    made.as_ref().map_err(|error| status::unanswerable(ArrowError::ComputeError(error.clone())))
}

fn properties() -> SqlInfoDataBuilder {
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
        SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
        SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
    ];
    let unions = [SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32];
    let group_by = [
        SqlSupportedGroupBy::SqlGroupByUnrelated as i32,
        SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32,
    ];
    let mask = |bits: &[i32]| bits.iter().fold(0, |mask, bit| mask | 1 << bit);
    let mut list = SqlInfoDataBuilder::new();
    list.append(SqlInfo::FlightSqlServerName, "Partita");
    list.append(SqlInfo::FlightSqlServerVersion, VERSION);
    list.append(SqlInfo::FlightSqlServerArrowVersion, datafusion::arrow::ARROW_VERSION);
    list.append(SqlInfo::FlightSqlServerReadOnly, false);
    list.append(SqlInfo::FlightSqlServerSql, true);
    list.append(SqlInfo::FlightSqlServerSubstrait, false);
    list.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    list.append(SqlInfo::FlightSqlServerCancel, true);
    list.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    list.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    list.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
    list.append(SqlInfo::SqlDdlCatalog, false);
    list.append(SqlInfo::SqlDdlSchema, true);
    list.append(SqlInfo::SqlDdlTable, true);
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    list.append(SqlInfo::SqlIdentifierCase, lower);
    list.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    // As written; the list of the protocol has no word for it.
    let unknown = SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32;
    list.append(SqlInfo::SqlQuotedIdentifierCase, unknown);
    list.append(SqlInfo::SqlAllTablesAreSelectable, true);
    list.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    list.append(SqlInfo::SqlSearchStringEscape, "\\");
    list.append(SqlInfo::SqlExtraNameCharacters, "");
    list.append(SqlInfo::SqlSupportsColumnAliasing, true);
    list.append(SqlInfo::SqlNullPlusNullIsNull, true);
    list.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    list.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    list.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    list.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    list.append(SqlInfo::SqlSupportedGroupBy, mask(&group_by));
    list.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    list.append(SqlInfo::SqlSupportsNonNullableColumns, true);
    list.append(SqlInfo::SqlSchemaTerm, "schema");
    list.append(SqlInfo::SqlCatalogTerm, "catalog");
    list.append(SqlInfo::SqlCatalogAtStart, true);
    list.append(SqlInfo::SqlSupportedSubqueries, mask(&subqueries));
    list.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    list.append(SqlInfo::SqlSupportedUnions, mask(&unions));
    list
}

/// A type of columns: its name, number, digits or bits, radix of these, whether it has no sign,
/// and the quotes of its literals.
type Row =
    (&'static str, XdbcDataType, Option<i32>, Option<i32>, Option<bool>, Option<&'static str>);

/// The types that SQL can name.
const TYPES: [Row; 18] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), None, None, None),
    ("TINYINT", XdbcDataType::XdbcTinyint, Some(8), Some(2), Some(false), None),
    ("TINYINT UNSIGNED", XdbcDataType::XdbcTinyint, Some(8), Some(2), Some(true), None),
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(16), Some(2), Some(false), None),
    ("SMALLINT UNSIGNED", XdbcDataType::XdbcSmallint, Some(16), Some(2), Some(true), None),
    ("INTEGER", XdbcDataType::XdbcInteger, Some(32), Some(2), Some(false), None),
    ("INTEGER UNSIGNED", XdbcDataType::XdbcInteger, Some(32), Some(2), Some(true), None),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(64), Some(2), Some(false), None),
    ("BIGINT UNSIGNED", XdbcDataType::XdbcBigint, Some(64), Some(2), Some(true), None),
    ("REAL", XdbcDataType::XdbcReal, Some(24), Some(2), Some(false), None),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(53), Some(2), Some(false), None),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(76), Some(10), Some(false), None),
    ("VARCHAR", XdbcDataType::XdbcVarchar, Some(i32::MAX), None, None, Some("'")),
    ("BYTEA", XdbcDataType::XdbcVarbinary, Some(i32::MAX), None, None, Some("'")),
    ("DATE", XdbcDataType::XdbcDate, Some(10), None, None, Some("'")),
    ("TIME", XdbcDataType::XdbcTime, Some(18), None, None, Some("'")),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(29), None, None, Some("'")),
    ("INTERVAL", XdbcDataType::XdbcInterval, None, None, None, Some("'")),
];

fn column_types() -> XdbcTypeInfoDataBuilder {
    let mut list = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, radix, unsigned, quote) in TYPES {
        let is_decimal = kind == XdbcDataType::XdbcDecimal;
        let create_params = is_decimal.then(|| vec!["precision".to_string(), "scale".to_string()]);
        list.append(XdbcTypeInfo {
            type_name: name.to_string(),
            data_type: kind,
            column_size: size,
            literal_prefix: quote.map(str::to_string),
            literal_suffix: quote.map(str::to_string),
            create_params,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: kind == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            unsigned_attribute: unsigned,
            fixed_prec_scale: false,
            auto_increment: unsigned.map(|_| false),
            local_type_name: Some(name.to_string()),
            minimum_scale: is_decimal.then_some(0),
            maximum_scale: is_decimal.then_some(76),
            sql_data_type: kind,
            datetime_subcode: None,
            num_prec_radix: radix,
            interval_precision: None,
        });
    }
    list
}
