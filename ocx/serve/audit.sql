-- Each query finds the rows that break the rule above it.

-- rule: balance is not the sum of the ledger
SELECT name, balance, coalesce(total, 0) AS expected FROM account a
  LEFT JOIN (SELECT account, sum(amount) AS total FROM ledger GROUP BY account)
  ON account = a.id
  WHERE balance != expected;

-- rule: held is not the sum of the held charges
SELECT name, held, coalesce(total, 0) AS expected FROM account a
  LEFT JOIN (SELECT account, sum(hold) AS total FROM charge WHERE state = 'held' GROUP BY account)
  ON account = a.id
  WHERE held != expected;

-- rule: a charge and its ledger entry differ
SELECT c.id, c.cost, -l.amount FROM charge c LEFT JOIN ledger l ON l.charge = c.id
  WHERE c.cost != coalesce(-l.amount, 0) OR c.account != coalesce(l.account, c.account);

-- rule: a charge that ended has no outcome
SELECT id, state, outcome FROM charge WHERE state != 'held' AND outcome IS NULL;

-- rule: a released charge cost something
SELECT id, cost, shortfall FROM charge WHERE state = 'released' AND cost + shortfall > 0;

-- rule: balance_after does not follow
SELECT seq, balance_after, running FROM (
    SELECT seq, balance_after, sum(amount) OVER (PARTITION BY account ORDER BY seq) AS running
    FROM ledger
  ) WHERE balance_after != running;
