package io.experimentetl.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.model.OutboxRow;
import io.experimentetl.outbox.OutboxPayload.UnknownShapeException;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OutboxPayloadTest {
  private static final String ID = "6f0c2c8e-0000-4000-8000-00000000abcd";
  private static final long AT = 1_700_000_000_123_456L;

  private static OutboxRow row(String eventType, String payload) {
    return new OutboxRow(5, "u1", "event", eventType, payload, AT, null);
  }

  private static OutboxPayload read(String payload) throws UnknownShapeException {
    return OutboxPayload.of(row("EVENT_CREATED", payload.replace('\'', '"')));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'id': '6f0c2c8e-0000-4000-8000-00000000abcd', 'event': 'purchase', 'user_id': 'u1'}",
        "{'event_id': '6F0C2C8E-0000-4000-8000-00000000ABCD', 'Event': {'type': 'purchase', 'user_id': 'u1'}}",
        "{'event_id': '6f0c2c8e-0000-4000-8000-00000000abcd', 'event': {'event_type': 'purchase', 'user_id': 'u1'}}",
        "{'id': '6f0c2c8e-0000-4000-8000-00000000abcd', 'event_type': 'purchase', 'user_id': 'u1'}",
        "{'Event': {'id': '6f0c2c8e-0000-4000-8000-00000000abcd', 'type': 'purchase', 'user_id': 'u1'}}"
      })
  void allShapesOfAPayloadAreReadAlike(String payload) throws Exception {
    OutboxPayload expected = read("{'id': '" + ID + "', 'event': 'purchase', 'user_id': 'u1'}");
    assertThat(read(payload)).isEqualTo(expected);
    assertThat(expected.normalised(row("EVENT_CREATED", "")).toString())
        .isEqualTo(
            ("{'outbox_id':5,'event_type':'EVENT_CREATED','aggregate_type':'event','aggregate_id':'u1',"
                    + "'created_at':'2023-11-14T22:13:20.123456Z','id':'"
                    + ID
                    + "','type':'purchase',"
                    + "'timestamp':null,'user_id':'u1','experiment_id':null,'variant_id':null,'data':{}}")
                .replace('\'', '"'));
  }

  @Test
  void timestampIsInUtcAndInMicroseconds() throws Exception {
    OutboxPayload payload =
        read("{'id': 'x', 'event': 'e', 'timestamp': '2023-11-14T23:13:20.1234567+01:00'}");
    assertThat(payload.occurredAt()).isEqualTo(AT);
    assertThat(payload.normalised(row("EVENT_CREATED", "")).path("timestamp").asText())
        .isEqualTo("2023-11-14T22:13:20.123456Z");
  }

  @Test
  void unknownMembersArePassedOnUnchanged() throws Exception {
    assertThat(
            read("{'id': 'x', 'revenue': 12.50, 'event': {'type': 'e', 'items': [1, {'a': null}]}}")
                .rest()
                .toString())
        .isEqualTo("{\"revenue\":12.50,\"items\":[1,{\"a\":null}]}");
  }

  private static OutboxPayload assignment(String aggregateId, String payload)
      throws UnknownShapeException {
    return OutboxPayload.of(
        new OutboxRow(
            5,
            aggregateId,
            "assignment",
            "ASSIGNMENT_CREATED",
            payload.replace('\'', '"'),
            AT,
            null));
  }

  @Test
  void assignmentWithoutIdIsIdentifiedByExperimentAndUserOfTheAggregateId() throws Exception {
    OutboxPayload payload = assignment("17:team:u1", "{'variant_id': 3, 'source': 'hash'}");

    assertThat(payload.id()).isNull();
    assertThat(payload.experimentId()).isEqualTo(17L);
    assertThat(payload.userId()).isEqualTo("team:u1");
    assertThat(payload.variantId()).isEqualTo(3L);
    assertThat(payload.rest().path("source").asText()).isEqualTo("hash");
  }

  @Test
  void nestedAssignmentIsReadLikeAFlatOne() throws Exception {
    assertThat(assignment("17:u1", "{'assignment': {'id': 9, 'variantId': 3, 'userId': 'u1'}}"))
        .isEqualTo(assignment("17:u1", "{'assignment_id': 9, 'variant_id': 3, 'user_id': 'u1'}"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "u1|{}|aggregate_id is not experiment:user",
        "99999999999999999999:u1|{}|aggregate_id's experiment is not a whole number",
        "17:u1|{'experiment_id': 18}|is not that of the row's aggregate_id",
        "17:u1|{'user_id': 'u2'}|is not that of the row's aggregate_id",
      })
  void assignmentWithoutAnyIdentityIsAnUnknownShape(
      String aggregateId, String payload, String problem) {
    assertThatThrownBy(() -> assignment(aggregateId, payload))
        .isInstanceOf(UnknownShapeException.class)
        .hasMessageContaining(problem);
  }

  @Test
  void assignmentHasNoType() throws Exception {
    OutboxPayload payload =
        OutboxPayload.of(
            row("ASSIGNMENT_ENROLLED", "{\"id\": 7, \"experiment_id\": \"3\", \"variant_id\": 9}"));
    assertThat(payload)
        .extracting(
            OutboxPayload::id,
            OutboxPayload::type,
            OutboxPayload::experimentId,
            OutboxPayload::variantId)
        .containsExactly("7", null, 3L, 9L);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "[1]                                            | not a JSON object",
        "'text'                                         | not a JSON object",
        "null                                           | not a JSON object",
        "{                                              | cannot be read",
        "{'event': 'e'}                                 | neither id nor event_id",
        "{'id': null, 'event': 'e'}                     | neither id nor event_id",
        "{'id': {}, 'event': 'e'}                       | neither a text nor a number",
        "{'id': '', 'event': 'e'}                       | empty",
        "{'id': 'x'}                                    | does not name the event's type",
        "{'id': 'x', 'event': {'name': 'e'}}            | does not name the event's type",
        "{'id': 'x', 'event_id': 'y', 'event': 'e'}     | twice",
        "{'id': 'x', 'event': 'e', 'Event': 'f'}        | twice",
        "{'id': 'x', 'event': 'e', 'timestamp': 17}     | timestamp",
        "{'id': 'x', 'event': 'e', 'timestamp': 'soon'} | timestamp",
        "{'id': 'x', 'event': 'e', 'variant_id': 'b'}   | variant_id is not a whole number",
      })
  void refusalOfAnUnknownShapeNamesTheProblemWithoutValues(String payload, String what) {
    assertThatThrownBy(() -> read(payload))
        .isInstanceOf(UnknownShapeException.class)
        .hasMessageContaining(what);
  }

  @Test
  void unknownEventTypeOfTheRowIsAnUnknownShape() {
    assertThatThrownBy(() -> OutboxPayload.of(row("EVENT_DELETED", "{\"id\": 1}")))
        .isInstanceOf(UnknownShapeException.class)
        .hasMessageContaining("event_type");
  }

  @Property
  void everyPayloadIsReadOrRefused(@ForAll String payload) {
    try {
      OutboxPayload.of(row("EVENT_CREATED", payload));
    } catch (UnknownShapeException refused) {
      assertThat(refused).hasMessageStartingWith("The payload");
    }
  }
}
