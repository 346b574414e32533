package io.experimentetl.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * What a person needs of a stack trace.
 *
 * @param text the message of the innermost exception of ours, else that of the innermost one with
 *     its class; it may have several lines
 * @param ours whether experiment-etl itself threw it: then the text says what to do
 */
public record RootCause(String text, boolean ours) {
  private static final String CAUSED_BY = "Caused by: ";
  private static final Pattern OUR_CLASS = Pattern.compile("^io\\.experimentetl\\.[\\w.$]+: ");

  /** These have no name that says more than their message. */
  private static final Pattern PLAIN_CLASS =
      Pattern.compile("^java\\.lang\\.Illegal(State|Argument)Exception: ");

  /** Reads what {@link Throwable#printStackTrace()} has printed, or a plain text. */
  public static RootCause of(String stackTrace) {
    List<String> messages = new ArrayList<>();
    StringBuilder message = new StringBuilder();
    boolean inMessage = true;
    for (String line : stackTrace.strip().lines().toList()) {
      if (line.startsWith(CAUSED_BY)) {
        messages.add(message.toString().strip());
        message = new StringBuilder(line.substring(CAUSED_BY.length()));
        inMessage = true;
      } else if (line.startsWith("\tat ") || line.startsWith("\t...")) {
        inMessage = false;
      } else if (inMessage) {
        message.append(message.isEmpty() ? "" : "\n").append(line);
      }
    }
    messages.add(message.toString().strip());
    for (int i = messages.size() - 1; i >= 0; i--) {
      if (OUR_CLASS.matcher(messages.get(i)).find()) {
        return new RootCause(OUR_CLASS.matcher(messages.get(i)).replaceFirst(""), true);
      }
    }
    String last = messages.get(messages.size() - 1);
    return new RootCause(PLAIN_CLASS.matcher(last).replaceFirst(""), false);
  }

  public String firstLine() {
    return text.lines().findFirst().orElse("");
  }
}
