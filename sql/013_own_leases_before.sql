-- Leases from before they were marked as of one's own worker: told by the rules of renting, as far as the rows say who
-- was who, and by who was paid for them.

UPDATE leases SET own = 1
WHERE own = 0 AND (
    consumer_id = worker_id
    OR EXISTS (SELECT 1 FROM settlements s WHERE s.lease_id = leases.lease_id AND s.provider_id = leases.consumer_id)
    OR EXISTS (
        SELECT 1 FROM workers w WHERE w.worker_id = leases.worker_id AND (
            w.keeper = leases.consumer_id
            OR w.eth_address <> '' AND w.eth_address = leases.consumer_address
            OR w.eth_address <> '' AND w.eth_address = (
                SELECT a.eth_address FROM accounts a WHERE a.account_id = leases.consumer_id))));

UPDATE workers SET
    leases_total = (SELECT count(*) FROM leases l WHERE l.worker_id = workers.worker_id AND l.own = 0),
    leases_completed = (
        SELECT count(*) FROM leases l WHERE l.worker_id = workers.worker_id AND l.own = 0 AND l.state = 'completed')
WHERE EXISTS (SELECT 1 FROM leases l WHERE l.worker_id = workers.worker_id AND l.own = 1);
