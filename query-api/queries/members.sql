-- Names of an organisation's members, present and removed; all of them, or those asked for.
-- Table `members`, key (org_id, member_id): the rows of one organisation.
SELECT org_id, member_id, position, name, email, removed
FROM members FINAL
WHERE org_id = {org_id:String}
  AND ({all:Bool} OR member_id IN {ids:Array(String)})
