"""Pages of the site that are generated: nobody writes by hand what code and configuration say."""
