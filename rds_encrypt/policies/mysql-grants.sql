-- What the account in `credentials` must be able to do in MySQL, statement by statement of the program.
--
-- The master user of an RDS instance can do all of this, be it by its own grants or through rds_superuser_role (sessions of this program
-- activate all roles of their account): with it, nothing here needs to be run. Run it as the master user
-- if the migration is to use an account of its own; then put that account into the secret (`username` and `password`).
-- The account is needed on the source only: the snapshot carries it to the encrypted instance. Drop it after `cleanup`.
-- Tried through replicate, cutover, rollback, cutover, cleanup and destroy on MySQL 9.7.4, 8.0.31 and 5.7.22, each without the lines that
-- say so.

CREATE USER 'rds_encrypt'@'%' IDENTIFIED BY 'choose one' REQUIRE SSL;

-- PROCESS: open transactions (information_schema.innodb_trx).
-- REPLICATION CLIENT: where the binlog stands, and the status of the replica and of the encrypted instance.
-- EVENT: the list of scheduled events, and enabling on the new instance those that were enabled on the source.
--   An event whose definer is another account cannot be enabled by this one: see the output `unenabled_events`.
-- TRIGGER: the list of triggers, which must be the same on both.
-- CREATE USER: making, renewing and dropping the account that replication uses; locking accounts where the parameter group
--   cannot carry the fence. Accounts with SYSTEM_USER can only be locked by one that has it as well.
-- REPLICATION SLAVE with GRANT OPTION: giving that account its one privilege. MySQL keeps the option for the whole level,
--   so this account could pass on its other global privileges too: one more reason to drop it afterwards.
GRANT PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, EVENT, TRIGGER, CREATE USER ON *.* TO 'rds_encrypt'@'%' WITH GRANT OPTION;

-- Comparing the two copies: all rows, views, routines and the grants of accounts. Not needed with `verify.level: off`. The
-- digests of passwords are read from mysql.user, and never shown.
GRANT SELECT, SHOW VIEW ON *.* TO 'rds_encrypt'@'%';

-- Comparing members of ENUM and SET, and defaults, that MySQL shows with question marks, such as emoji: the copies answer from a temporary
-- table. Without this, what MySQL shows is compared.
GRANT CREATE TEMPORARY TABLES ON *.* TO 'rds_encrypt'@'%';

-- Who could write in spite of read_only; whether the replication account exists; how long binlogs are kept.
GRANT SELECT ON mysql.user TO 'rds_encrypt'@'%';
GRANT SELECT ON mysql.global_grants TO 'rds_encrypt'@'%'; -- leave it out on 5.7
GRANT SELECT ON mysql.role_edges TO 'rds_encrypt'@'%'; -- leave it out on 5.7
GRANT SELECT ON mysql.rds_configuration TO 'rds_encrypt'@'%';

-- Proving that a server refuses writes, or takes them: DROP DATABASE IF EXISTS of a schema that never exists. No backslashes
-- before the underscores: with partial_revokes on they would be part of the name. With partial_revokes off, which is RDS's default, an
-- underscore stands for any character, and no schema of yours has such a name.
GRANT DROP ON `rds_encrypt_fence_probe`.* TO 'rds_encrypt'@'%';

-- RDS's procedures: binlog retention, ending sessions that write while the fence closes, and replication.
GRANT EXECUTE ON PROCEDURE mysql.rds_set_configuration TO 'rds_encrypt'@'%';
GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO 'rds_encrypt'@'%';
GRANT EXECUTE ON PROCEDURE mysql.rds_stop_replication TO 'rds_encrypt'@'%';
GRANT EXECUTE ON PROCEDURE mysql.rds_start_replication_until TO 'rds_encrypt'@'%';
GRANT EXECUTE ON PROCEDURE mysql.rds_start_replication TO 'rds_encrypt'@'%';
GRANT EXECUTE ON PROCEDURE mysql.rds_set_external_master TO 'rds_encrypt'@'%'; -- leave it out on 8.4 and 9.7
GRANT EXECUTE ON PROCEDURE mysql.rds_reset_external_master TO 'rds_encrypt'@'%'; -- leave it out on 8.4 and 9.7
GRANT EXECUTE ON PROCEDURE mysql.rds_set_external_source TO 'rds_encrypt'@'%'; -- leave it out on 5.7 and 8.0
GRANT EXECUTE ON PROCEDURE mysql.rds_reset_external_source TO 'rds_encrypt'@'%'; -- leave it out on 5.7 and 8.0
