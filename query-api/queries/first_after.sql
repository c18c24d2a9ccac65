-- Not a statement: what follows on of_ledger.sql, where only calls are asked for whose first write came after a position.
, first_writes AS (SELECT * FROM lowest WHERE position > {after:UInt64})
