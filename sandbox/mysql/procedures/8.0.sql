-- How 8.0 tells what its replication does: these tables are filled with performance_schema off, too.

CREATE FUNCTION mysql.rds_receiver_state() RETURNS VARCHAR(10)
  READS SQL DATA
  -- NULL: no source is configured; ON, OFF or CONNECTING
  RETURN (SELECT status.service_state
            FROM performance_schema.replication_connection_status status
            JOIN performance_schema.replication_connection_configuration configuration
              ON configuration.channel_name = status.channel_name
           WHERE status.channel_name = '' AND configuration.host <> '')
$$
CREATE FUNCTION mysql.rds_applier_runs() RETURNS BOOLEAN
  READS SQL DATA
  RETURN EXISTS (SELECT 1 FROM performance_schema.replication_applier_status WHERE channel_name = '' AND service_state = 'ON')
$$
-- What AWS documents for 8.0.26 and higher only.

CREATE PROCEDURE mysql.rds_assign_gtids_to_anonymous_transactions(IN gtid_option TEXT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  IF mysql.rds_replication_service_state() <> 'OFF' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'You can''t modify replication because replication is running or not configured. First call mysql.rds_stop_replication.';
  END IF;
  CALL mysql.rds_run(CONCAT('CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = ',
    IF(UPPER(TRIM(gtid_option)) IN ('OFF', 'LOCAL'), UPPER(TRIM(gtid_option)), QUOTE(TRIM(gtid_option)))));
  CALL mysql.rds_record('assign gtids to anonymous transactions', NULL, NULL, NULL, NULL, NULL);
  SET SESSION sql_log_bin = logging;
END
$$
