-- What an organisation is called and which zone decides its days. No row: the directory never told.
-- Table `organisations`, key org_id: one row.
SELECT org_id, position, short_name, display_name, time_zone
FROM organisations FINAL
WHERE org_id = {org_id:String}
