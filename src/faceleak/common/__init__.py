"""What every room uses: errors, options, names of modules, trees of results, words, users' tables."""
