"""Query a cluster with SQL through ADBC: no package of Partita is needed, only a Flight SQL driver.

Run it with a cluster around it: ``partita run --workers 2 -- python flight_sql.py``.
"""

import hashlib
import os
import ssl

import adbc_driver_flightsql.dbapi as flightsql


def connect() -> flightsql.Connection:
    """Connect to the cluster of the environment, after checking its certificate."""
    address = os.environ["PARTITA_SCHEDULER"].removeprefix("tcp://")
    token = os.environ["PARTITA_TOKEN"]
    host, port = address.rsplit(":", 1)
    certificate = ssl.get_server_certificate((host, int(port)))
    # The token ends with the certificate's fingerprint: another process on this port would not have it.
    if not token.endswith(hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()):
        raise ConnectionError(f"the certificate at {address} is not the cluster's")
    options = {
        "adbc.flight.sql.authorization_header": f"Bearer {token}",
        "adbc.flight.sql.client_option.tls_root_certs": certificate,
        "adbc.flight.sql.client_option.tls_override_hostname": "partita",
    }
    return flightsql.connect(f"grpc+tls://{address}", db_kwargs=options, autocommit=True)


def main() -> None:
    with connect() as connection, connection.cursor() as cursor:
        # `executescript` waits for the end of statements that have no result.
        cursor.executescript(
            "create table visits as select value as id, value % 5 as page, value % 97 / 10.0 as seconds "
            "from generate_series(1, 200000)"
        )
        cursor.execute("select page, count(*) as n, avg(seconds) as mean from visits group by page order by page")
        print(cursor.fetch_arrow_table())
        cursor.execute("select approx_percentile_cont(seconds, 0.9) from visits")
        print("nine of ten visits are shorter than", round(cursor.fetchone()[0], 1), "seconds")


if __name__ == "__main__":
    main()
