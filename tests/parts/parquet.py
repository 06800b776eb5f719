"""Reads the archive with DuckDB and prints the answer to a question as JSON.

Usage: python parquet.py FOLDER SQL    (the table is called `records`)
"""
import json
import sys

import duckdb

folder, question = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
source = f"{folder}/data/v1/*/*/*/*.parquet"
connection.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{source}', hive_partitioning = false)")
cursor = connection.execute(question)
names = [column[0] for column in cursor.description]
print(json.dumps([dict(zip(names, row)) for row in cursor.fetchall()], default=str))
