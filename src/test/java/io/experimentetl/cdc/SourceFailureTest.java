package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.tls.ServerTls;
import java.io.IOException;
import java.time.Duration;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.connect.errors.ConnectException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;
import org.postgresql.util.ServerErrorMessage;

class SourceFailureTest {
  private static final SourceFailure FAILURES =
      new SourceFailure(
          new PostgresSourceSettings(
              "db.example",
              5433,
              "shop",
              SourceMapping.defaults("public"),
              "reader",
              () -> "",
              ServerTls.PREFERRED,
              "pub_shop",
              "slot_shop",
              Duration.ofSeconds(1),
              1,
              true));

  /** As the failure of one of the connector's threads reaches the task. */
  private static Exception fromTheConnector(Throwable cause) {
    return new RuntimeException(
        "One or more fetchers have encountered exception",
        new RuntimeException(
            new ConnectException("An exception occurred in the change event producer.", cause)));
  }

  private static final String CONTEXT =
      "slot \"slot_shop\", output plugin \"pgoutput\", in the change callback, associated LSN 0/1";

  private static PSQLException server(String state, String message) {
    return new PSQLException(
        new ServerErrorMessage("SERROR\0C" + state + "\0M" + message + "\0W" + CONTEXT + "\0\0"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "42704 | publication \"pub_shop\" does not exist | The publication pub_shop | 002_etl.sql",
        "42704 | Publikation »pub_shop« existiert nicht | The publication pub_shop | resync",
        "42704 | replication slot \"slot_shop\" does not exist | The replication slot slot_shop | 003_slot.sql",
        "22021 | invalid byte sequence for encoding \"UTF8\": 0xe9 | encoding | ENCODING 'UTF8'",
        "22P05 | character with byte sequence 0x81 in encoding \"WIN1252\" has no equivalent | encoding | resync",
        "42501 | permission denied for table users | The role reader | 002_etl.sql",
        "28P01 | password authentication failed for user \"reader\" | refuses the login of reader | pg_hba.conf",
        "28000 | no pg_hba.conf entry for replication connection | refuses the login of reader | source.username",
        "3D000 | database \"shop\" does not exist | has no database shop | source.database",
        "42P01 | relation \"public.users\" does not exist | table or column | source.schema",
        "55000 | can no longer get changes from replication slot \"slot_shop\" | The replication slot slot_shop | max_slot_wal_keep_size",
        "55000 | logical decoding requires wal_level >= logical | cannot decode its log | wal_level = logical",
        "58P01 | requested WAL segment 000000010000000000000003 has already been removed | has removed WAL | resync",
      })
  void failureThatNoRestartHealsEndsTheJobWithItsRemedy(
      String state, String message, String what, String remedy) {
    Exception judged = FAILURES.judged(fromTheConnector(server(state, message)));
    assertThat(judged).isInstanceOf(SuppressRestartsException.class);
    assertThat(judged.getCause())
        .hasMessageContaining(what)
        .hasMessageContaining(remedy)
        .hasMessageContaining("db.example:5433")
        .rootCause()
        .hasMessageStartingWith("ERROR: " + message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "57P01 | terminating connection due to administrator command",
        "57P03 | the database system is starting up",
        "57P05 | terminating connection due to idle-session timeout",
        "55006 | replication slot \"slot_shop\" is active for PID 4711",
        "53300 | sorry, too many clients already",
        "57014 | canceling statement due to user request",
        "40P01 | deadlock detected",
        "55P03 | canceling statement due to lock timeout",
      })
  void failureThatARestartHealsIsPassedOn(String state, String message) {
    Exception failure = fromTheConnector(server(state, message));
    assertThat(FAILURES.judged(failure)).isSameAs(failure);
  }

  @Test
  void lostConnectionIsPassedOn() {
    Exception lost =
        fromTheConnector(
            new PSQLException(
                "An I/O error occurred.", PSQLState.CONNECTION_FAILURE, new IOException("reset")));
    assertThat(FAILURES.judged(lost)).isSameAs(lost);
    Exception ofTheJob = new IllegalStateException("the test wants a restart");
    assertThat(FAILURES.judged(ofTheJob)).isSameAs(ofTheJob);
  }

  @Test
  void failureThatDebeziumWordsItselfIsRecognised() {
    assertThat(
            FAILURES.judged(
                fromTheConnector(
                    new ConnectException(
                        "Publication autocreation is disabled, please create one and restart the connector."))))
        .isInstanceOf(SuppressRestartsException.class)
        .cause()
        .hasMessageContaining("The publication pub_shop");
    assertThat(
            FAILURES.judged(
                fromTheConnector(
                    new ConnectException(
                        "The offset to start reading from has been removed from the database write-ahead log."))))
        .isInstanceOf(SuppressRestartsException.class)
        .cause()
        .hasMessageContaining("has removed WAL");
  }

  @Test
  void failureThatAlreadySuppressesRestartsIsUnchanged() {
    SuppressRestartsException judged =
        new SuppressRestartsException(server("42704", "publication \"p\" does not exist"));
    assertThat(FAILURES.judged(judged)).isSameAs(judged);
  }

  @Test
  void slotInTheContextOfAnErrorIsNotItsSubject() {
    assertThat(
            FAILURES.remedy(
                server(
                    "42704",
                    "ERROR: publication \"pub_shop\" does not exist\n  Where: slot \"slot_shop\", output plugin \"pgoutput\", in the change callback, associated LSN 0/1A6DF40")))
        .startsWith("The publication pub_shop does not exist");
  }
}
