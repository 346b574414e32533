/**
 * Outbox rows to Kafka, exactly once, acknowledged in PostgreSQL; and what of them does not fit
 * their events.
 */
package io.experimentetl.outbox;
