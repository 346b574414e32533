package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class RootCauseTest {
  @Test
  void ownMessageIsExtractedFromFlinksExceptions() {
    Exception ours = new OperationsException("2 problems:\n  - one\n  - two");
    RootCause cause = RootCause.of(printed(new CompletionException(new RuntimeException(ours))));

    assertThat(cause.text()).isEqualTo("2 problems:\n  - one\n  - two");
    assertThat(cause.firstLine()).isEqualTo("2 problems:");
    assertThat(cause.ours()).isTrue();
  }

  @Test
  void innermostExceptionIsPrintedWithItsClass() {
    RootCause cause =
        RootCause.of(
            printed(new RuntimeException("outer", new java.net.ConnectException("refused"))));

    assertThat(cause.text()).isEqualTo("java.net.ConnectException: refused");
    assertThat(cause.ours()).isFalse();
  }

  @Test
  void illegalStateIsPrintedAsItsMessage() {
    assertThat(RootCause.of(printed(new IllegalStateException("the slot is gone"))).text())
        .isEqualTo("the slot is gone");
  }

  @Test
  void plainTextIsKept() {
    assertThat(RootCause.of("Job not found.\n").text()).isEqualTo("Job not found.");
  }

  private static String printed(Throwable exception) {
    StringWriter text = new StringWriter();
    exception.printStackTrace(new PrintWriter(text));
    return text.toString();
  }
}
