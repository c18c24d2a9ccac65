-- Not a statement: the condition `{{filter}}` of the others. No value of a kind means all of them.
(empty({members:Array(String)}) OR member_id IN {members:Array(String)})
    AND (empty({reasons:Array(String)}) OR reason IN {reasons:Array(String)})
    AND (empty({models:Array(Tuple(String, String))}) OR (provider, model) IN {models:Array(Tuple(String, String))})
    AND ({byok:String} = 'any' OR ({byok:String} = 'only') = (currency != ''))
