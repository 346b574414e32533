package io.experimentetl.operations;

import java.io.PrintWriter;
import java.util.function.Consumer;

/** Prints lines as they come: some are followed by a long wait. */
public final class Lines {
  private Lines() {}

  /** Each line is flushed. */
  public static Consumer<String> to(PrintWriter out) {
    return line -> {
      out.println(line);
      out.flush();
    };
  }
}
