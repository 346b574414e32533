package io.experimentetl;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Finding;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.types.Either;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Findings as Kafka records, keyed by subject. The value is JSON with the fields of {@code
 * data_inconsistencies}. Of two records with one code and subject, the one with the greater {@code
 * _version} is current.
 */
record FindingRecords(String topic)
    implements KafkaRecordSerializationSchema<Either<ProgressMarker, Finding>> {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Null for a progress marker: nothing is sent. */
  @Override
  public ProducerRecord<byte[], byte[]> serialize(
      Either<ProgressMarker, Finding> element, KafkaSinkContext context, Long timestamp) {
    if (element.isLeft()) {
      return null;
    }
    Finding finding = element.right();
    return new ProducerRecord<>(
        topic, finding.subject().toString().getBytes(StandardCharsets.UTF_8), json(finding));
  }

  static byte[] json(Finding finding) {
    ObjectNode json =
        JSON.createObjectNode()
            .put("code", finding.code().code())
            .put("subject", finding.subject().toString())
            .put("subject_kind", finding.subject().kind().text())
            .put("subject_key", finding.subject().key())
            .put("severity", finding.code().severity().name())
            .put("status", finding.open() ? "OPEN" : "RESOLVED")
            .put("experiment_id", finding.experimentId() == 0 ? null : finding.experimentId())
            .put("user_id", finding.userId())
            .put("event_id", finding.eventId() == null ? null : finding.eventId().toString())
            .put("source_id", finding.eventId() == null ? null : finding.eventId().sourceId())
            .put("event_timestamp", timestamp(finding.subject().occurredAt()))
            .put("detail", finding.detail())
            .put("remedy", finding.code().remedy())
            .put("dead_letter_since", timestamp(finding.deadLetterSince()))
            .put("observed_at", timestamp(finding.observedAt()))
            .put("_lsn", finding.lsn())
            .put("_version", finding.version());
    try {
      return JSON.writeValueAsBytes(json);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(
          "The finding " + finding.code().code() + " cannot be written as JSON.", impossible);
    }
  }

  private static String timestamp(Long micros) {
    return micros == null ? null : Instant.EPOCH.plus(micros, ChronoUnit.MICROS).toString();
  }
}
