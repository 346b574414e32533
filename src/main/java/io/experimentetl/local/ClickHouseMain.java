package io.experimentetl.local;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.StringArray;
import java.util.Arrays;

/**
 * A ClickHouse server in this JVM: first argument the path of libchdb.so, the others the command
 * line. Returns when the server ends.
 */
final class ClickHouseMain {
  private ClickHouseMain() {}

  public static void main(String[] args) {
    NativeLibrary library = NativeLibrary.getInstance(args[0]);
    // The JVM uses SIGSEGV itself; the engine's own handlers would treat it as a crash.
    library.getFunction("chdb_set_signal_handlers_enabled").invokeVoid(new Object[] {0});
    String[] line = Arrays.copyOfRange(args, 1, args.length);
    Function run = library.getFunction("chdb_query_cmdline");
    // Kept in a variable: the native memory lives as long as the object.
    StringArray argv = new StringArray(line);
    run.invokePointer(new Object[] {line.length, argv});
    System.err.println("ClickHouse ended by itself (" + argv.size() + " bytes of arguments)");
    System.exit(1);
  }
}
