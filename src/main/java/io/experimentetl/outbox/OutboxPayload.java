package io.experimentetl.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.experimentetl.model.EventId;
import io.experimentetl.model.Finding;
import io.experimentetl.model.OutboxRow;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The payload of an outbox row, in one form for all services of the platform. The services write
 * {@code id} or {@code event_id}. They write {@code event} or {@code Event}, as an object or as the
 * type's name, or put the members beside the id. A timestamp is optional. An assignment may have no
 * id of its own: then its identity is the row's {@code aggregate_id}, {@code experiment:user}.
 *
 * @param id of the event or assignment; null: an assignment whose identity is its experiment and
 *     user
 * @param type the event's type; null for an assignment
 * @param occurredAt microseconds since 1970 in UTC; null: absent
 * @param userId null: absent
 * @param experimentId null: absent
 * @param variantId null: absent
 * @param rest all other members, unchanged
 */
record OutboxPayload(
    String id,
    String type,
    Long occurredAt,
    String userId,
    Long experimentId,
    Long variantId,
    ObjectNode rest) {

  /** A payload in an unknown shape. The message contains no value of it but a label. */
  static final class UnknownShapeException extends Exception {
    private static final long serialVersionUID = 1L;

    UnknownShapeException(String message) {
      super(message, null, false, false);
    }
  }

  static final String EVENT_CREATED = "EVENT_CREATED";

  private static final int MAX_ID_LENGTH = 1_000;
  private static final Pattern EXPERIMENT_AND_USER = Pattern.compile("(\\d+):(.+)", Pattern.DOTALL);

  // Numbers keep all their digits. A payload that is nested deeper than Jackson's default is
  // refused, because the consumers of the message could not read it either.
  private static final ObjectMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNumberLength(Integer.MAX_VALUE).build())
                  .build())
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
          .build();

  /**
   * Reads a row's payload.
   *
   * @throws UnknownShapeException with the missing or contradictory member
   */
  static OutboxPayload of(OutboxRow row) throws UnknownShapeException {
    JsonNode read;
    try {
      read = JSON.readTree(row.payload());
    } catch (JsonProcessingException e) {
      throw new UnknownShapeException(
          "The payload cannot be read as JSON, or is nested deeper than 1,000 levels.");
    }
    if (!(read instanceof ObjectNode members)) {
      throw new UnknownShapeException("The payload is not a JSON object.");
    }
    return switch (row.eventType()) {
      case EVENT_CREATED -> event(members);
      case "ASSIGNMENT_CREATED", "ASSIGNMENT_ENROLLED" -> assignment(members, row.aggregateId());
      default ->
          throw new UnknownShapeException(
              "The row's event_type " + Finding.quoted(row.eventType()) + " is unknown.");
    };
  }

  private static OutboxPayload event(ObjectNode members) throws UnknownShapeException {
    Members taken = new Members(members);
    JsonNode event = taken.one("event", "Event");
    if (event instanceof ObjectNode nested) {
      taken.nested = nested;
    }
    String id = text(taken.one("event_id", "id"), "id");
    JsonNode type = event.isTextual() ? event : taken.one("event_type", "type");
    String name = text(type, "event type");
    if (id == null) {
      throw new UnknownShapeException("The payload has neither id nor event_id.");
    }
    if (name == null) {
      throw new UnknownShapeException("The payload does not name the event's type.");
    }
    return taken.finish(EventId.of(id).text(), name);
  }

  private static OutboxPayload assignment(ObjectNode members, String aggregateId)
      throws UnknownShapeException {
    Members taken = new Members(members);
    if (members.get("assignment") instanceof ObjectNode
        || members.get("Assignment") instanceof ObjectNode) {
      taken.nested = (ObjectNode) taken.one("assignment", "Assignment");
    }
    String id = text(taken.one("assignment_id", "id"), "id");
    OutboxPayload payload = taken.finish(id, null);
    return id == null ? payload.identifiedBy(aggregateId) : payload;
  }

  /** The experiment and the user of an assignment that has no id. */
  private OutboxPayload identifiedBy(String aggregateId) throws UnknownShapeException {
    Matcher identity = EXPERIMENT_AND_USER.matcher(aggregateId);
    if (!identity.matches()) {
      throw new UnknownShapeException(
          "The payload has neither id nor assignment_id, and the row's aggregate_id is not experiment:user.");
    }
    Long experiment = number(TextNode.valueOf(identity.group(1)), "aggregate_id's experiment");
    String user = text(TextNode.valueOf(identity.group(2)), "aggregate_id's user");
    if ((experimentId != null && !experimentId.equals(experiment))
        || (userId != null && !userId.equals(user))) {
      throw new UnknownShapeException(
          "The payload has no id, and its experiment or user is not that of the row's aggregate_id.");
    }
    return new OutboxPayload(null, null, occurredAt, user, experiment, variantId, rest);
  }

  private static String text(JsonNode value, String what) throws UnknownShapeException {
    if (value.isMissingNode() || value.isNull()) {
      return null;
    }
    if (!value.isTextual() && !value.isIntegralNumber()) {
      throw new UnknownShapeException("The payload's " + what + " is neither a text nor a number.");
    }
    String text = value.asText();
    if (text.isEmpty() || text.length() > MAX_ID_LENGTH) {
      throw new UnknownShapeException(
          "The payload's " + what + " is empty or longer than " + MAX_ID_LENGTH + " characters.");
    }
    return text;
  }

  private static Long number(JsonNode value, String what) throws UnknownShapeException {
    String text = text(value, what);
    try {
      return text == null ? null : (Long) Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new UnknownShapeException("The payload's " + what + " is not a whole number.");
    }
  }

  private static Long micros(JsonNode value) throws UnknownShapeException {
    if (value.isMissingNode() || value.isNull()) {
      return null;
    }
    try {
      return ChronoUnit.MICROS.between(
          Instant.EPOCH, OffsetDateTime.parse(value.asText()).toInstant());
    } catch (DateTimeParseException | ArithmeticException e) {
      throw new UnknownShapeException("The payload's timestamp is not ISO 8601 with an offset.");
    }
  }

  /** The message for Kafka, in the form that all rows have there. */
  ObjectNode normalised(OutboxRow row) {
    ObjectNode json = JSON.createObjectNode();
    json.put("outbox_id", row.id())
        .put("event_type", row.eventType())
        .put("aggregate_type", row.aggregateType())
        .put("aggregate_id", row.aggregateId())
        .put("created_at", iso(row.createdAt()))
        .put("id", id)
        .put("type", type)
        .put("timestamp", occurredAt == null ? null : iso(occurredAt))
        .put("user_id", userId)
        .put("experiment_id", experimentId)
        .put("variant_id", variantId);
    json.set("data", rest);
    return json;
  }

  static String iso(long micros) {
    return Instant.EPOCH.plus(micros, ChronoUnit.MICROS).toString();
  }

  /** The members of the payload and of the object in it. A member that was read is removed. */
  private static final class Members {
    private final ObjectNode outer;
    private ObjectNode nested;

    Members(ObjectNode outer) {
      this.outer = outer;
    }

    /** The member under either name, in the payload or in the object in it. */
    JsonNode one(String name, String otherName) throws UnknownShapeException {
      JsonNode found = MissingNode.getInstance();
      for (ObjectNode object :
          nested == null ? new ObjectNode[] {outer} : new ObjectNode[] {outer, nested}) {
        for (String each : new String[] {name, otherName}) {
          JsonNode value = object.remove(each);
          if (value == null || value.isNull()) {
            continue;
          }
          if (!found.isMissingNode() && !found.equals(value)) {
            throw new UnknownShapeException(
                "The payload has " + name + " or " + otherName + " twice, with different values.");
          }
          found = value;
        }
      }
      return found;
    }

    OutboxPayload finish(String id, String type) throws UnknownShapeException {
      Long occurredAt = micros(one("timestamp", "occurred_at"));
      String userId = text(one("user_id", "userId"), "user_id");
      Long experimentId = number(one("experiment_id", "experimentId"), "experiment_id");
      Long variantId = number(one("variant_id", "variantId"), "variant_id");
      ObjectNode rest = outer;
      if (nested != null) {
        for (Map.Entry<String, JsonNode> member : nested.properties()) {
          if (rest.has(member.getKey())) {
            throw new UnknownShapeException("The payload has one member twice.");
          }
          rest.set(member.getKey(), member.getValue());
        }
      }
      return new OutboxPayload(id, type, occurredAt, userId, experimentId, variantId, rest);
    }
  }
}
