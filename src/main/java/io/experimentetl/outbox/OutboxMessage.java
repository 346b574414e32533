package io.experimentetl.outbox;

/**
 * An outbox row on its way to Kafka.
 *
 * @param aggregateType the topic without its prefix
 * @param aggregateId the record's key
 * @param json the record's value, in UTF-8
 */
public record OutboxMessage(long outboxId, String aggregateType, String aggregateId, byte[] json) {}
