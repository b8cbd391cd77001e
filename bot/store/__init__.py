"""The database: tables, transactions and the queries the engine asks for."""
