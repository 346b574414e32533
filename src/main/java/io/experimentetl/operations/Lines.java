package io.experimentetl.operations;

import java.io.PrintWriter;
import java.util.function.Consumer;

/** Prints lines as they come: some are followed by a long wait. */
final class Lines {
  private Lines() {}

  static Consumer<String> to(PrintWriter out) {
    return line -> {
      out.println(line);
      out.flush();
    };
  }
}
