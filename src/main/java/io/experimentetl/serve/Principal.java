package io.experimentetl.serve;

/**
 * Who sent a request.
 *
 * @param name as the tokens' file has it
 */
record Principal(String name, Role role) {
  static final Principal NOBODY = new Principal("nobody", Role.NOBODY);
}
