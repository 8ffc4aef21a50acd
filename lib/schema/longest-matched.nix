# Bytes of the longest string that is matched against a regular expression. std::regex recurses once per character: some
# patterns of the API end the evaluation with a stack overflow at 20,000. What is longer counts as a match.
2000
