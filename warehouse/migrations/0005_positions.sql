-- Who keeps an answer and comes back asks for what arrived since: those positions lie in few granules.
ALTER TABLE {{table ai_calls}} {{on_cluster}} ADD INDEX IF NOT EXISTS position position TYPE minmax GRANULARITY 1;
